# Every verb is one line here and one module in ops/verbs.
#
#   TARGET=digitalocean  a real droplet (the default)
#   TARGET=rehearsal     a droplet on this machine: no account, no money
TARGET ?= digitalocean

# scripts/in makes the Python environment that it names if need be, and runs Python there.
# The rehearsal starts a local DigitalOcean and runs the same verb against it.
ops-for-digitalocean := scripts/in ops -m ops
ops-for-rehearsal := scripts/in rehearsal -m rehearsal
OPS := $(ops-for-$(TARGET))
ifeq ($(OPS),)
$(error TARGET=$(TARGET) is unknown. Use TARGET=digitalocean or TARGET=rehearsal)
endif
# Where a registry of images or packages cannot be reached, what stands in for it; else nothing.
with-stand-ins := scripts/in ops -m rehearsal.offline with
# How a verb has to be typed, for messages that name the next one.
export VERB_SUFFIX := $(if $(filter digitalocean,$(TARGET)),, TARGET=$(TARGET))

# With a CDPATH, cd in a script goes elsewhere and prints where.
unexport CDPATH

.DEFAULT_GOAL := help
.PHONY: help run up down doctor deploy release rollback url look pipeline releases status logs ssh psql backup restore patch \
  upgrade-database destroy adopt drift settings train evaluate bench pictures lock test test-rehearsal lint

help: ## show this list
	@scripts/help $(MAKEFILE_LIST)

##@ On this machine
run: ## the app without Docker, on http://localhost:8501
	@scripts/in app -m ops run
up: ## the app in its two containers, on http://localhost:8501
	@$(with-stand-ins) scripts/in ops -m ops up
down: ## stop the two containers (the logged answers stay)
	@scripts/in ops -m ops down

##@ On the internet
doctor: ## what a deployment needs and has; changes nothing
	@$(OPS) doctor
deploy: ## a droplet with the app on it; prints its URL
	@$(OPS) deploy
release: ## this code into service, without a dropped request
	@$(OPS) release
rollback: ## the release before back into service (or RELEASE=image)
	@$(OPS) rollback
adopt: ## look after a deployment that was made elsewhere
	@$(OPS) adopt
pipeline: ## let GitHub Actions release every push to main
	@$(OPS) pipeline
destroy: ## remove everything that `make deploy` made; asks first
	@$(OPS) destroy

##@ Look after it
status: ## what is live, since when, and how the droplet is
	@$(OPS) status
drift: ## what is not as this project says; changes nothing
	@$(OPS) drift
releases: ## what was released when, by whom, and which one serves
	@$(OPS) releases
backup: ## a dump of the database into backups/
	@$(OPS) backup
restore: ## put a dump back (FILE=backups/...)
	@$(OPS) restore
patch: ## newer packages, and a reboot where one is needed
	@$(OPS) patch
upgrade-database: ## the newest minor PostgreSQL, or VERSION=18
	@$(OPS) upgrade-database
url: ## the address of the page
	@$(OPS) url
look: ## whether the page answers, as a visitor reaches it
	@$(OPS) look
logs: ## what the containers write (Ctrl-C ends it)
	@$(OPS) logs
ssh: ## a shell on the droplet
	@$(OPS) ssh
psql: ## the database's prompt
	@$(OPS) psql
settings: ## every environment variable that changes what a verb does
	@scripts/in ops -m ops settings

##@ For developers
train: ## train the network on MNIST and write its weights
	@scripts/in training -m training
evaluate: ## accuracy on pen strokes (STROKES=file.json)
	@scripts/in app -m training.evaluate
bench: ## how fast it is: measure, and write docs/benchmarks.md
	@scripts/in dev -m benchmarks $(PART)
pictures: ## take README's screenshots and draw its diagram anew
	@scripts/in dev -m tests.browser.screenshots && scripts/in dev -m tests.browser.diagram
lock: ## pin every package that every requirements.in needs
	@scripts/in dev -m ops.environments.lock
test: ## the linters, and every test without a droplet
	@scripts/venv dev ops rehearsal
	@scripts/lint
	@scripts/test
test-rehearsal: ## the tests on rehearsed droplets
	@scripts/test rehearsal
lint: ## every linter alone
	@scripts/lint
