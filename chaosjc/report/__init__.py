"""What a person sees of a run: entries of the journal in, text out; no file, no network, no clock but one handed in."""
