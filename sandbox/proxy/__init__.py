"""The forward proxy: load balancer names go to their loopback addresses, the rest goes on.

Steps of pipelines and `sandbox exec` have it in `HTTP_PROXY` and `HTTPS_PROXY`, so that a
plain `http://<DNSName>/` works as on AWS. It speaks HTTP/1.1 (absolute form and CONNECT),
looks into no TLS, and keeps no state: names are read from `Settings.names_file`, which the
ELBv2 control plane writes. Run it with `python -m sandbox.proxy`.
"""
