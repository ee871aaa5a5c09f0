# SPDX-License-Identifier: MIT
# benchmarks/local.mk: `make bench` builds the programs; benchmarks/run runs them.
