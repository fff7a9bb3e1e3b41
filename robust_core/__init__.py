"""RobustLens's engine: image sets, classifiers, attacks, objectives, training, evaluation. Needs no Streamlit."""
