# make demo: learn dense landmarks on generated faces, and show them.    make test: run the tests.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed

.PHONY: demo test ablation benchmark clean

$(INSTALLED): $(wildcard requirements/*.txt)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet -r requirements/pip-requirements.txt -r requirements/dev-requirements.txt
	touch $@

demo: $(INSTALLED)
	$(RUN) misc/demo.py

test: $(INSTALLED)
	$(RUN) -m flake8
	$(RUN) -m isort --check-only --quiet .
	$(RUN) -m pytest -n auto --dist worksteal

ablation: $(INSTALLED)
	$(RUN) misc/ablation.py

benchmark: $(INSTALLED)
	$(RUN) misc/benchmark.py

clean:
	rm -rf $(VENV) saved
