# SPDX-License-Identifier: MIT
# strip.awk: C source without its comments and string contents, line by line, so that the lint scripts see code only.
{
	line = $0
	out = ""
	while (line != "") {
		if (inside) {
			i = index(line, "*/")
			if (i == 0)
				break
			line = substr(line, i + 2)
			inside = 0
			out = out " "
			continue
		}
		c = substr(line, 1, 1)
		two = substr(line, 1, 2)
		if (two == "/*") {
			inside = 1
			line = substr(line, 3)
		} else if (two == "//") {
			break
		} else if (c == "\"" && out !~ /^[ \t]*#[ \t]*include/) {
			# Skip to the closing quote; a backslash takes the next character with it.
			for (i = 2; i <= length(line) && substr(line, i, 1) != "\""; i++)
				if (substr(line, i, 1) == "\\")
					i++
			out = out "\"\""
			line = substr(line, i + 1)
		} else if (c == "'") {
			for (i = 2; i <= length(line) && substr(line, i, 1) != "'"; i++)
				if (substr(line, i, 1) == "\\")
					i++
			out = out "''"
			line = substr(line, i + 1)
		} else {
			out = out c
			line = substr(line, 2)
		}
	}
	print FILENAME ":" FNR ":" out
}
