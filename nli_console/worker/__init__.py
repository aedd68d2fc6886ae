"""The torch side of a run: load, tokenise, train, evaluate, save. Started as a process, never imported."""
