"""The service on six hosts of one machine: three with databases, two that serve, one with nginx in front.

Each host is a network namespace with the address that the files in deploy/ name, so these are used as they are,
but for folders, secrets and what their comments tell to change. All of it lives in namespaces that end with the
command, however that ends.
"""
