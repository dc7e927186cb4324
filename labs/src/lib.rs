//! Labs: topology files and the worlds that run them.
