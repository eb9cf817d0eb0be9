"""The command line: each module parses, wires, calls one function and prints; errors become exit codes in main."""
