module infer

go 1.26.0
