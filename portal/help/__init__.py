"""Help pages: written from the symptom, reached from each check and error by its code."""
