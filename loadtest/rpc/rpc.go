// Package rpc owns gRPC as a load generator speaks it. With serve/rpc it is the home of grpc.
package rpc
