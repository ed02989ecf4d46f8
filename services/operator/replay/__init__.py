"""`eventos replay`: a topic read again, with positions of the run's own."""
