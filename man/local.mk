# SPDX-License-Identifier: MIT
# man/local.mk: a page is one line here.
