# One line each: the work is in xtask/, which also runs without make (`cargo xtask help`).
.PHONY: demo test bench fuzz lint torture replay help

demo: ; @REPO="$(REPO)" cargo xtask demo
test: ; @cargo xtask test
bench: ; @cargo xtask bench
fuzz: ; @cargo xtask fuzz
lint: ; @cargo xtask lint
torture: ; @cargo xtask torture
replay: ; @REPO="$(REPO)" CRATES="$(CRATES)" COUNT="$(COUNT)" TRIPLES="$(TRIPLES)" cargo xtask replay
help: ; @cargo xtask help
