"""How much personal data that others made up is recognised, and how often something else is taken for it.

`python -m benchmarks.detection` prints recall and precision per entity in

* the sentences of `presidio-evaluator`, filled as it fills them, once from its records of people and once
  from Faker (`templates.py`);
* sentences of Faker in ten languages, beside what must be left alone (`locales.py`);

and what is recognised of the values that other packages test their validators with (`validators.py`). The
data is downloaded with pip while it runs; none of its code is run, and nothing is kept. Recall is the share
of values whose characters findings of their entity cover; precision the share of findings that touch a
value of theirs.

The recognisers were corrected after looks at these figures, so read them as a regression test and not as a
blind trial. In the validators' collections nobody meant the values to be like the text of responses.
"""
