# make demo, make test: need nothing but make, a C compiler and Python >= 3.11 with its headers and venv.
# What is missing is said in one line before anything is built. PYTHON=... and CC=... choose others.
# The tests that open a page in a browser need chromium and chromedriver, too; without them they are skipped and say so.

.ONESHELL:
.SHELLFLAGS = -ec
.DEFAULT_GOAL = demo
.PHONY: demo test test-slow check bench baselines clean needs

PYTHON ?= python3
BIN = .venv/bin

# Warnings of the C core are errors here; the compiler that is checked is the one that builds.
export AMP_WERROR = 1
export CC

demo: .venv/ready
	$(BIN)/amp demo

# One worker more than there are cores; tests/README.md says who runs alone.
test: .venv/ready
	$(BIN)/python -m pytest -m "not slow" -n auto --dist loadgroup

# All that the suite above has a smaller number of, one after another; tests/README.md says how long it takes.
test-slow: .venv/ready
	$(BIN)/python -m pytest -m slow --durations 20

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready
	$(BIN)/python -m pytest bench --timeout 300

# Saves what bench/ shows on this machine as what `make bench` compares with. Some minutes; nothing else should run.
baselines: .venv/ready
	$(BIN)/python -m pytest bench -k baseline --timeout 300 --baselines renew
	for run in 2 3 4 5; do $(BIN)/python -m pytest bench -k baseline --timeout 300 --baselines widen; done

clean:
	rm -rf .venv build dist *.egg-info .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache amp/_core/*.so amp/_core/*.a
	find amp hostside remoteside tests bench -name __pycache__ -type d -exec rm -rf {} +

# Sets $python to the first candidate that is new enough, or stops with the one line.
define find_needs
missing= packages=
lacks() { missing="$$missing$${missing:+, }$$1"; packages="$$packages $$2"; }
python=
for candidate in $(PYTHON) python3.13 python3.12 python3.11; do
    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$$candidate
        break
    fi
done
name=$${python##*/}
command -v $(firstword $(CC)) >/dev/null || lacks "a C compiler ($(CC))" build-essential
if [ -z "$$python" ]; then
    lacks "Python >= 3.11 ($(PYTHON))" "python3 python3-dev python3-venv"
else
    include=$$("$$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    [ -f "$$include/Python.h" ] || lacks "the C headers of $$name (Python.h)" "$$name-dev"
    "$$python" -c 'import ensurepip, venv' 2>/dev/null || lacks "the venv module of $$name (ensurepip)" "$$name-venv"
fi
if [ -n "$$missing" ]; then
    echo "amp needs $$missing; on Debian or Ubuntu: apt-get install$$packages" >&2
    exit 1
fi
endef

needs:
	@$(find_needs)

.venv/ready: pyproject.toml setup.py $(wildcard amp/_core/*.h amp/_core/*/*.[ch])
	@$(find_needs)
	echo "setting up .venv with $$python (once, and when the C core changes)"
	$(BIN)/python -c '' 2>/dev/null || "$$python" -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@
