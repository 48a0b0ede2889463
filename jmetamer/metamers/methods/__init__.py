"""Ways of finding metamers, one file or folder each."""
