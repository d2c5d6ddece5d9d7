"""The native engine: graphs and loops as machine code for this processor, through LLVM."""
