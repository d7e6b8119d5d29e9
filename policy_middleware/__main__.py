"""`python -m policy_middleware` is policyctl."""

from policy_middleware.cli import main

main(prog_name="python -m policy_middleware")
