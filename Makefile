# make install: make .venv, with what the programs and the tests need.
# make demo: learn dense landmarks on generated faces, and show them.    make test: run the tests.
# make soak SEED=0: faults injected again and again, 20 minutes; writes a table of docs/reliability.md.
# make test-slow: build the package for pip, and try it in an environment of its own.
# make test-plain: the tests of numbers once more, as a processor without vector instructions rounds them.
# make test-oldest: the tests of what depends on torch, with the oldest Python and packages allowed.
PYTHON ?= python3
VENV ?= .venv
SEED ?= 0
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed

# What computes: losses, networks, warps, matching, trainings; its sums depend on the processor.
NUMERIC_TESTS := $(foreach name,networks no_network loss likelihood_loss keypoint_regressor \
	matching metric tps warper augmentation keyed_random descriptors cache trainer_parts nonfinite compiling \
	resume distributed deterministic inference export benchmark visualization,tests/*/test_$(name).py)

OLDEST := .venv-oldest
# The lowest Python from 3.10 on that runs here, on the path or among those of pyenv.
OLDEST_PYTHON = $(shell for minor in 10 11 12 13; do \
	for python in python3.$$minor $(HOME)/.pyenv/versions/3.$$minor.*/bin/python; do \
	$$python -c "" 2>/dev/null && echo $$python && exit; done; done)
OLDEST_TESTS := $(foreach name,networks loss likelihood_loss keypoint_regressor matching tps \
	warper augmentation batches cache descriptors trainer_parts checkpoint checkpoint_keeper torch_file \
	foreign_checkpoint run resume stopping nonfinite shortages config_objects config visualization,tests/*/test_$(name).py)

.PHONY: install demo test test-plain test-slow test-oldest soak ablation benchmark clean

$(INSTALLED): $(wildcard requirements/*.txt)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet -r requirements/pip-requirements.txt -r requirements/dev-requirements.txt
	touch $@

install: $(INSTALLED)

demo: $(INSTALLED)
	$(RUN) misc/demo.py

test: $(INSTALLED)
	$(RUN) -m flake8
	$(RUN) -m isort --check-only --quiet .
	$(RUN) -m pytest -n auto --dist worksteal

test-plain: $(INSTALLED)
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 \
		$(RUN) -m pytest -n auto --dist worksteal $(NUMERIC_TESTS)

$(OLDEST)/.installed: requirements/pip-requirements.txt misc/dev/lower_bounds.py
	@test -n "$(OLDEST_PYTHON)" || { echo "no Python 3.10 to 3.13 was found"; exit 2; }
	$(OLDEST_PYTHON) -m venv --clear $(OLDEST)
	$(OLDEST)/bin/python misc/dev/lower_bounds.py requirements/pip-requirements.txt > $(OLDEST)/bounds.txt
	$(OLDEST)/bin/python -m pip install --quiet -r $(OLDEST)/bounds.txt pytest
	touch $@

test-slow: $(INSTALLED)
	$(RUN) -m pytest -m slow

test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python -m pytest $(OLDEST_TESTS)

soak: $(INSTALLED)
	$(RUN) tests/soak.py --seed $(SEED)

ablation: $(INSTALLED)
	$(RUN) misc/ablation.py

benchmark: $(INSTALLED)
	$(RUN) misc/benchmark.py

clean:
	rm -rf $(VENV) $(OLDEST)
