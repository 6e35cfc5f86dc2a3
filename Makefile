# Every verb is one line here and one file in scripts/.
#
#   TARGET=digitalocean  a real droplet (the default)
#   TARGET=rehearsal     a droplet on this machine: no account, no money
TARGET ?= digitalocean

# `rehearsal/with` gives a command the rehearsal's API address, token and keys.
# A standing rehearsal keeps Terraform's lock file; a real deployment gets its own back.
with-rehearsal := rehearsal/with
with-digitalocean := rehearsal/without
ifeq ($(filter $(TARGET),digitalocean rehearsal),)
$(error TARGET=$(TARGET) is unknown. Use TARGET=digitalocean or TARGET=rehearsal)
endif
WITH := $(with-$(TARGET))
# So that a verb can name the next one as it must be typed.
export VERB_SUFFIX := $(if $(filter digitalocean,$(TARGET)),, TARGET=$(TARGET))

.DEFAULT_GOAL := help
.PHONY: help run up down doctor deploy release rollback url look pipeline releases status logs ssh psql backup restore \
  destroy train evaluate bench lock test lint

help: ## show this list
	@scripts/help $(MAKEFILE_LIST)

##@ On this machine
run: ## the app without Docker: http://localhost:8501 (stop: Ctrl-C)
	@scripts/run
up: ## the app in its two containers, on http://localhost:8501
	@scripts/up
down: ## stop the two containers (the logged answers stay)
	@scripts/down

##@ On the internet
doctor: ## what a deployment needs and has: looks, and changes nothing
	@$(WITH) scripts/doctor
deploy: ## a droplet with the app on it; prints its URL
	@$(WITH) scripts/deploy
release: ## the code as it is here into service, without a dropped request
	@$(WITH) scripts/release
rollback: ## the release before back into service (or RELEASE=image)
	@$(WITH) scripts/rollback
pipeline: ## let GitHub Actions release every push to main
	@$(WITH) scripts/pipeline
destroy: ## remove everything that `make deploy` made; asks first
	@$(WITH) scripts/destroy
ifeq ($(TARGET),rehearsal)
	@rehearsal/down
endif

##@ Look after it
status: ## what serves, since when, and how the droplet is
	@$(WITH) scripts/status
releases: ## what was released when, by whom, and which one serves
	@$(WITH) scripts/releases
backup: ## a dump of the database into backups/
	@$(WITH) scripts/backup
restore: ## put a dump back (FILE=backups/...)
	@$(WITH) scripts/restore
url: ## the address of the page
	@$(WITH) scripts/url
look: ## whether the page answers, as a visitor reaches it
	@$(WITH) scripts/look
logs: ## what the containers write (Ctrl-C ends it)
	@$(WITH) scripts/logs
ssh: ## a shell on the droplet
	@$(WITH) scripts/ssh
psql: ## the database's prompt
	@$(WITH) scripts/psql

##@ For developers
train: ## train the network on MNIST and write its weights
	@scripts/in training -m training
evaluate: ## accuracy on pen strokes (STROKES=file.json)
	@scripts/in app -m training.evaluate
bench: ## how fast it is: measure, and write docs/benchmarks.md
	@scripts/in test -m benchmarks $(PART)
lock: ## pin what every requirements.in asks for (PACKAGE=name or UPGRADE=yes: the newest)
	@scripts/in lint -m ops.lock
test: lint ## every linter and every test (about an hour)
	@scripts/test
lint: ## every linter alone
	@scripts/lint
