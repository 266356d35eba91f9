"""The gRPC edge: the Open Inference Protocol's calls, answered at the same desk as those over REST.

Nothing of it is imported until a port is given to it: gRPC and protobuf are an extra, ``plimsoll[grpc]``.
"""
