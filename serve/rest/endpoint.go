package rest

import "infer/serve/guard"

// endpoint is what a place offers.
type endpoint struct {
	get, post func(*exchange) error // nil: the method is not allowed
	scope     string                // of the key that is needed; "": none is
	protocol  string                // of inferences, as repository.Call names it; "" for what is none
	torch     bool                  // errors as TorchServe writes them
}

// endpoints are the offers of every place. Health needs no key: probes have none.
var endpoints = [...]endpoint{
	nowhere:          {get: (*exchange).fromPage},
	atLive:           {get: (*exchange).healthLive},
	atReady:          {get: (*exchange).healthReady},
	atPing:           {get: (*exchange).ping},
	atServer:         {get: (*exchange).serverMetadata, scope: guard.Infer},
	atModels:         {get: (*exchange).listModels, scope: guard.Infer},
	atModel:          {get: (*exchange).modelMetadata, scope: guard.Infer},
	atModelReady:     {get: (*exchange).modelReady},
	atModelConfig:    {get: (*exchange).modelConfig, scope: guard.Infer},
	atModelStats:     {get: (*exchange).modelStats, scope: guard.Infer},
	atModelScheduler: {get: (*exchange).modelScheduler, scope: guard.Infer},
	atModelSplit:     {get: (*exchange).getSplit, post: (*exchange).setSplit, scope: guard.Admin},
	atIndex:          {post: (*exchange).repositoryIndex, scope: guard.Infer},
	atLoad:           {post: (*exchange).loadModel, scope: guard.Admin},
	atUnload:         {post: (*exchange).unloadModel, scope: guard.Admin},
	atModelInfer:     {post: (*exchange).infer, scope: guard.Infer, protocol: "oip-http"},
	atTfsModels:      {get: (*exchange).listModels, scope: guard.Infer},
	atTfsModel:       {get: (*exchange).statusTFS, scope: guard.Infer},
	atTfsMetadata:    {get: (*exchange).metadataTFS, scope: guard.Infer},
	atTfsPredict:     {post: (*exchange).predictTFS, scope: guard.Infer, protocol: "tfs-http"},
	atTfsOther:       {post: (*exchange).notOffered, scope: guard.Infer},
	atTorchPredict:   {post: (*exchange).predictTorch, scope: guard.Infer, protocol: "torchserve", torch: true},
	atPredict:        {post: (*exchange).predict, scope: guard.Infer, protocol: "predict"},
	atInvocations:    {post: (*exchange).predict, scope: guard.Infer, protocol: "predict"},
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
