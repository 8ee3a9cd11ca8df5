"""After the redirect: what devices answer at their own management interfaces. Off without MANAGEMENT_NETWORKS."""
