"""The run folder: the record, the transport and the only truth. Nothing here starts or signals a process."""
