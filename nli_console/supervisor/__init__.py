"""The processes around a run: supervise, queue, telemetry, launch, stop and resume. Never imports torch."""
