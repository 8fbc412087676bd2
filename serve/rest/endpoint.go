package rest

// endpoint is what a place offers.
type endpoint struct {
	get, post func(*exchange) error // nil: the method is not allowed
	scope     string                // of the key that is needed: "", "infer" or "admin"
	protocol  string                // of inferences, as repository.Call names it; "" for what is none
	torch     bool                  // errors as TorchServe writes them
}

// endpoints are the offers of every place. Health needs no key: probes have none.
var endpoints = [...]endpoint{
	nowhere:          {get: (*exchange).fromPage},
	atLive:           {get: (*exchange).healthLive},
	atReady:          {get: (*exchange).healthReady},
	atPing:           {get: (*exchange).ping},
	atServer:         {get: (*exchange).serverMetadata, scope: "infer"},
	atModels:         {get: (*exchange).listModels, scope: "infer"},
	atModel:          {get: (*exchange).modelMetadata, scope: "infer"},
	atModelReady:     {get: (*exchange).modelReady},
	atModelConfig:    {get: (*exchange).modelConfig, scope: "infer"},
	atModelStats:     {get: (*exchange).modelStats, scope: "infer"},
	atModelScheduler: {get: (*exchange).modelScheduler, scope: "infer"},
	atModelSplit:     {get: (*exchange).getSplit, post: (*exchange).setSplit, scope: "admin"},
	atIndex:          {post: (*exchange).repositoryIndex, scope: "infer"},
	atLoad:           {post: (*exchange).loadModel, scope: "admin"},
	atUnload:         {post: (*exchange).unloadModel, scope: "admin"},
	atModelInfer:     {post: (*exchange).infer, scope: "infer", protocol: "oip-http"},
	atTfsModels:      {get: (*exchange).listModels, scope: "infer"},
	atTfsModel:       {get: (*exchange).statusTFS, scope: "infer"},
	atTfsMetadata:    {get: (*exchange).metadataTFS, scope: "infer"},
	atTfsPredict:     {post: (*exchange).predictTFS, scope: "infer", protocol: "tfs-http"},
	atTfsOther:       {post: (*exchange).notOffered, scope: "infer"},
	atTorchPredict:   {post: (*exchange).predictTorch, scope: "infer", protocol: "torchserve", torch: true},
	atPredict:        {post: (*exchange).predict, scope: "infer", protocol: "predict"},
	atInvocations:    {post: (*exchange).predict, scope: "infer", protocol: "predict"},
	atPage:           {get: (*exchange).fromPage},
}

// allow is the value of the Allow header of an endpoint.
func (e *endpoint) allow() []byte {
	switch {
	case e.post == nil:
		return []byte("GET, HEAD")
	case e.get == nil:
		return []byte("POST")
	}
	return []byte("GET, HEAD, POST")
}
