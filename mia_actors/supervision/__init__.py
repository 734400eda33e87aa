"""A supervision tree for Ray actors with the semantics of Erlang/OTP; knows nothing of trading."""
