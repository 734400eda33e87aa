"""The guardian: limits, permit, durable latch, and the sequence that makes an account flat."""
