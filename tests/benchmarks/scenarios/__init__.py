"""What is measured: each module has `async def run(lab: Lab) -> Section`. `__main__` has the list of them."""
