"""What a policy, a request context and a decision are. No I/O."""
