"""The soak: the deployed local stack under load and fire, and an account of every delivery.

    python -m tests.soak [--seconds 300] [--deliveries 10000] [--seed 1] …        (`make soak`)

In reading order: `names` (what an event must be called), `events` (what the providers send),
`plan` (what is sent, and in which order), `clients` (who sends it), `proxy` (faults between the functions
and AWS), `killer` (functions that die), `observer` (what AWS holds at the end), `verifier` (the account),
`report`, `__main__`.
"""
