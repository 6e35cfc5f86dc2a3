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
run: ## run the app without Docker, on http://localhost:8501
	@scripts/in app -m ops run
up: ## run the app in two containers, on http://localhost:8501
	@$(with-stand-ins) scripts/in ops -m ops up
down: ## stop the two containers (the stored answers stay)
	@scripts/in ops -m ops down

##@ On the internet
doctor: ## check machine, account and server; changes nothing
	@$(OPS) doctor
deploy: ## create a server with the app on it; prints its URL
	@$(OPS) deploy
release: ## put this code online, without a dropped request
	@$(OPS) release
rollback: ## put the release before online again (or RELEASE=image)
	@$(OPS) rollback
adopt: ## manage a deployment that another laptop made
	@$(OPS) adopt
pipeline: ## let GitHub Actions release every push to main
	@$(OPS) pipeline
destroy: ## remove everything that `make deploy` made; asks first
	@$(OPS) destroy

##@ Look after it
status: ## show what is live, since when, and how the server is
	@$(OPS) status
drift: ## show what differs from this project; changes nothing
	@$(OPS) drift
releases: ## list the releases: when, by whom, which one is live
	@$(OPS) releases
backup: ## save the database to backups/
	@$(OPS) backup
restore: ## put a backup back (FILE=backups/...)
	@$(OPS) restore
patch: ## install updates, and reboot if one needs it
	@$(OPS) patch
upgrade-database: ## PostgreSQL's newest minor version, or VERSION=18
	@$(OPS) upgrade-database
url: ## print the address of the page
	@$(OPS) url
look: ## check that the page answers, as a visitor reaches it
	@$(OPS) look
logs: ## show what the containers print (Ctrl-C ends it)
	@$(OPS) logs
ssh: ## open a shell on the server
	@$(OPS) ssh
psql: ## open the database's prompt
	@$(OPS) psql
settings: ## list every setting
	@scripts/in ops -m ops settings

##@ For developers
train: ## train the network on MNIST and write its weights
	@scripts/in training -m training
evaluate: ## measure the accuracy on pen strokes (STROKES=file.json)
	@scripts/in app -m training.evaluate
bench: ## measure how fast it is, and write docs/benchmarks.md
	@scripts/in dev -m benchmarks $(PART)
pictures: ## take README's screenshots, and draw its diagram
	@scripts/in dev -m tests.browser.screenshots && scripts/in dev -m tests.browser.diagram
lock: ## pin every Python package that is needed
	@scripts/in dev -m ops.environments.lock
test: ## run the linters, and every test without a droplet
	@scripts/lint
	@scripts/test
test-rehearsal: ## run the tests on rehearsed droplets
	@scripts/test rehearsal
lint: ## run only the linters
	@scripts/lint
