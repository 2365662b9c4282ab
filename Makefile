# The lab and the tests. Everything they make is in .cache/ or carries a name that begins with mailcluster-.
PYTHON ?= python3
SITE ?= lab
ROUNDS ?= 5
VENV := .cache/venv/bin/python
export PYTHONDONTWRITEBYTECODE := 1 PYTHONUNBUFFERED := 1

.PHONY: help setup images demo demo-down check test faults bench
help:
	@echo 'make demo       a mail cluster of containers, provisioned and proven by real traffic (SITE=lab or single)'
	@echo 'make demo-down  remove it'
	@echo 'make check      what needs no container: lint, sanity, unit tests, contracts'
	@echo 'make test       everything: check, the differential ring, faults, and every scenario (it replaces a running demo)'
	@echo 'make faults     the lab under load while nodes, networks and regions fail: at most an hour (CASES="kill-* cut-*")'
	@echo 'make bench      figures, as ratios to a trivial call of the same run (SITE=lab: site.yml on the running demo)'
	@echo 'make setup      only install what these need: Debian packages, .cache/venv'
	@echo 'make images     only build the images'

setup:
	@command -v $(PYTHON) >/dev/null || { apt-get -q update && apt-get -qy install --no-install-recommends python3 python3-venv; }
	@$(PYTHON) molecule/shared/setup.py

images demo: setup
	@$(VENV) molecule/shared/lab.py $@ --site $(SITE)

demo-down:
	@$(VENV) molecule/shared/lab.py destroy

check test: setup
	@$(VENV) molecule/shared/rings.py $@

# The names are for the program to match, not for the shell.
faults: setup
	@set -f; $(VENV) molecule/shared/faults.py $(CASES)

# SITE has a default, which is not what is asked for here.
bench: setup
	@$(VENV) molecule/shared/bench.py $(PARTS) --rounds $(ROUNDS) $(if $(filter file,$(origin SITE)),,--site $(SITE))
