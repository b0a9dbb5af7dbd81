.PHONY: run console connect disconnect dead-letters replay test bench deny audit mutants package settings deploy secret verify delete setup console-setup clean

PYTHON := .tools/emulator/bin/python
SAM_PYTHON := .tools/sam/bin/python
STACK ?= segment-intercom
# With STACK=name the one of that name on AWS, else that of `make run`.
CONSOLE = .tools/console/bin/python local/console $(if $(filter file,$(origin STACK)),--local,--stack $(STACK))
SAM := AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 .tools/sam/bin/sam

# Runs the whole stack on this machine. Each setting is a variable (NESTED=flatten make run), and
# PORT=… chooses the endpoint's port;
# INTERCOM_ACCESS_TOKEN=… (and INTERCOM_REGION=us|eu|au) talks to a real workspace;
# FILTERS=path gives it a file of filters (docs/filters.md);
# CONTAINERS=1 lets `sam local invoke` use the stack; PACKAGE=… deploys a package as it is.
run: setup console-setup
	@$(PYTHON) local/run.py

# What could not be delivered: `make dead-letters ARGS='list'` asks the stack of `make run`, and
# with STACK=name the one of that name on AWS (local/dead_letters.py --help).
dead-letters: setup
	@$(SAM_PYTHON) local/dead_letters.py $(if $(filter file,$(origin STACK)),--local,--stack $(STACK)) $(or $(ARGS),list)

# An archive of events into Intercom (docs/replay.md), by the stack of `make run` or STACK=name on AWS.
replay: setup
	@$(SAM_PYTHON) local/replay $(if $(filter file,$(origin STACK)),--local,--stack $(STACK)) $(or $(ARGS),--help)

# A page on this machine that shows what arrived and why not, tests events, repairs and connects, with the credentials
# that the AWS CLI would use (docs/console.md). PORT=… chooses its port.
console: console-setup
	@$(CONSOLE)

# Intercom's access token into the stack's secret, checked first, or with OAUTH=1 by OAuth; and out of it again.
connect: console-setup
	@$(CONSOLE) connect $(if $(OAUTH),--oauth)

disconnect: console-setup
	@$(CONSOLE) disconnect

test: setup
	@python3 local/tools.py tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	.tools/ruff/bin/ruff check --quiet
	cargo test --workspace
	$(SAM) validate --lint # cfn-lint, after the SAM transform
	.tools/checkov/bin/checkov --file template.yaml --framework cloudformation --skip-download --compact --quiet
	$(PYTHON) -m pytest -rs -n 2 --dist loadfile tests/replay tests/e2e # which mostly wait

bench: setup
	@python3 benches/run.py

# Licences, sources, duplicates and known vulnerabilities of the dependencies. Not part of `test`:
# compiling cargo-deny takes minutes, and the list of vulnerabilities comes from the network.
deny:
	cargo install --quiet --locked --root .tools/deny --target-dir target/deny --version 0.20.2 cargo-deny
	.tools/deny/bin/cargo-deny check

# Known vulnerabilities of the JavaScript and Python packages, of which none is in the function. Not part
# of `test` either: the lists come from the network. PyPI's lists no fix for everything, so what can't
# be updated is named here with --ignore-vuln and the reason.
audit:
	npm audit --prefix browser --package-lock-only
	npm audit --prefix tests/e2e/sdks/javascript --package-lock-only
	@python3 local/tools.py audit
	for list in local/requirements-*.txt tests/e2e/sdks/python/requirements-*.txt; do \
		.tools/audit/bin/pip-audit --progress-spinner off --disable-pip --require-hashes --requirement $$list || exit; done

# Breaks the mapping, delivery, redelivery and the client of Intercom in some 1,200 ways, one after
# another, and lists those that no test notices (.cargo/mutants.toml). Takes six hours on two cores,
# so SHARD=3/20 runs one of twenty equal parts, 0/20 to 19/20. The report is target/mutants.out.
# cargo-nextest stops at the first test that notices: a mutant takes 18 s instead of a minute.
mutants:
	cargo install --quiet --locked --root .tools/mutants --target-dir target/mutants --version 27.1.0 cargo-mutants
	cargo install --quiet --locked --root .tools/mutants --target-dir target/mutants --version 0.9.151 cargo-nextest
	PATH="$(CURDIR)/.tools/mutants/bin:$$PATH" cargo mutants --output target $(if $(SHARD),--sharding round-robin --shard $(SHARD))

# What a release consists of, in target/dist: for both architectures zip, template and list of
# dependencies, which deploy without Rust (docs/deploy.md). Same commit, same bytes.
package: setup
	cargo install --quiet --locked --root .tools/package --target-dir target/package-tools --version 0.7.7 cargo-auditable
	cargo install --quiet --locked --root .tools/package --target-dir target/package-tools --version 0.5.9 cargo-cyclonedx
	@$(SAM_PYTHON) local/package.py

# A stack on AWS, with the credentials that the AWS CLI would use (docs/deploy.md). STACK=… chooses
# its name, and deployments/STACK.toml holds its settings. YES=1 asks nothing.
settings: setup
	@$(SAM_PYTHON) local/deployment.py settings $(STACK)

deploy: setup
	@$(SAM_PYTHON) local/deployment.py deploy $(STACK)

# KEY=… changes one key of the secret.
secret: setup
	@$(SAM_PYTHON) local/fill_secret.py $(STACK) $(KEY)

# Tries a deployed stack with a test workspace: prints what it will do, then does it.
verify: setup
	@$(SAM_PYTHON) local/verify.py $(STACK)

delete: setup
	@$(SAM_PYTHON) local/deployment.py delete $(STACK)

setup:
	@command -v python3 >/dev/null || { echo "error: python3 is missing: install Python 3.10 or newer" >&2; exit 1; }
	@python3 local/tools.py

console-setup:
	@python3 local/tools.py console

clean:
	rm -rf target .aws-sam .tools browser/node_modules browser/build
