"""Stands in for WanGP's main module: only its version is read."""

WanGP_version = "10.99"
