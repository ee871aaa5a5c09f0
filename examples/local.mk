# SPDX-License-Identifier: MIT
# examples/local.mk: each a lesson; built by `make`, so that they cannot rot.
