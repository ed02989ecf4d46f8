"""Lets `python -m services.operator` stand for `eventos`, as the processes that it starts do."""

from services.operator.cli import main

main()
