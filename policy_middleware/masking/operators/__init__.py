"""What is written in place of a value: one small module for each family of operators."""

from policy_middleware.masking.operators.custom import register_operator
from policy_middleware.masking.operators.table import Operators
from policy_middleware.masking.operators.treatment import Treatment

__all__ = ["Operators", "Treatment", "register_operator"]
