"""The chat engine: a model that is loaded, asked and unloaded while somebody looks on.

``server`` reads requests and answers them; ``desk`` does what needs a model, ``texts`` what needs a tokenizer
at most.
"""
