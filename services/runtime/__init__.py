"""What every service stands on: two primitives, intake (`intake.py`) and projection (`projection.py`)."""
