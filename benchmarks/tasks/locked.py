"Trainings of other families, on which nothing is chosen: they are scored once per release."

LOCKED = {}
