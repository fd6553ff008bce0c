"""Real NIR readers on graphs that cover each node and dialect: what they do, beside what `ff2neuro inspect` states."""
