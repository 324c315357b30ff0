"""The engine `wangp`: a WanGP installation of the user's, driven through its Python API in a process of its own."""
