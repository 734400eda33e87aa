"""The vocabulary: messages, identifiers, clock, errors, units and ports; imports nothing else of ours."""
