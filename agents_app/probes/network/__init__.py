"""How every probe reaches a server: the addresses that it may use, TCP, TLS and HTTP."""
