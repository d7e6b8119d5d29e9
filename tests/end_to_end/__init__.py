"""From a wheel in an empty environment, with nothing but the documentation."""
