# Everything is done by the host tool in qemu/; this file only gets the machine ready and calls it.
# `make help` lists the targets. A stamp file remembers that the machine is ready.

STAMPS := build/.ready
TOOL   := cargo run --quiet --package qemu --

.DEFAULT_GOAL := help
.PHONY: help run test sim bench peers counts profile plots debug image check fmt clean

help:   ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)
	@echo
	@echo '  run and debug take SMP=, MEM=, CPU=, NET=user|tap|stream, PCAP=file, APPEND="words";'
	@echo '  test takes FILTER=text and runs only the tests whose name contains it.'

run: $(STAMPS)/run          ## build the system and start it; Ctrl-A X ends the emulator
	@$(TOOL) run

test: $(STAMPS)/test        ## host tests, then the guest under QEMU
	@$(TOOL) test $(FILTER)

sim: $(STAMPS)/run          ## play simulated networks; SEED= one with its frames, TRACE=1 shown, SEEDS= so many
	@cargo run --quiet --release --package sim -- $(if $(NEIGHBOURHOOD),--neighbourhood $(NEIGHBOURHOOD) $(if $(TRACE),--trace),$(if $(NEIGHBOURHOODS),--neighbourhoods $(NEIGHBOURHOODS) $(if $(FROM),--from $(FROM)),$(if $(SEED),--seed $(SEED) $(if $(TRACE),--trace),$(if $(SEEDS),--seeds $(SEEDS)) $(if $(FROM),--from $(FROM)))))

bench: $(STAMPS)/test       ## measure; table here, JSON in build/bench.json
	@$(TOOL) bench $(ONLY)

peers: $(STAMPS)/test       ## beside Linux on the same card, if the tools for it are there; PEERS=folder, QUICK=1
	@$(TOOL) peers $(if $(QUICK),quick)

counts: $(STAMPS)/run       ## count instructions and write them into docs/instructions.md; ROW=text only some
	@$(TOOL) counts $(ROW)

profile: $(STAMPS)/run      ## flame graph of the guest, build/profile.svg; LOAD=echo receive send large large-send http linked connect visit udp datagram icmp udp6 echo6
	@$(TOOL) profile $(LOAD)

plots: $(STAMPS)/run        ## congestion controls over simulated paths; build/plots/*.svg
	@cargo run --quiet --release --package sim --example plots -- build/plots

debug: $(STAMPS)/run        ## start stopped and wait for gdb
	@$(TOOL) debug

image: $(STAMPS)/run        ## build/skerry.elf and build/skerry.img; LOG=off without the words of the log
	@$(TOOL) image

check: $(STAMPS)/run        ## format, lints, bare-metal builds, rules of the tree
	@cargo fmt --all --check
	@cargo clippy --quiet --workspace --all-targets -- --deny warnings
	@$(TOOL) check

fmt: $(STAMPS)/run          ## format the sources
	@cargo fmt --all

clean:                      ## remove everything that was built
	rm -rf build target

# What tests need includes what running needs, so the order of the two does not matter.
$(STAMPS)/%: qemu/setup rust-toolchain.toml
	@qemu/setup $*
	@mkdir -p $(STAMPS) && touch $@
